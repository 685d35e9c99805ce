// Linear assignment with a gate, as in assignment.py: on a list of the pairs that may be, not on a matrix.
//
// The best assignment maximises sum(threshold - cost) over admissible pairs, so it falls apart into the connected
// components of these pairs. Most are single pairs. The others are solved one by one by shortest augmenting paths
// (Jonker and Volgenant 1987; here in the form of Crouse 2016, with a way out at no cost for each row).
#pragma once

#include "boxes.hpp"

namespace flatsort {

constexpr double CLIP_MARGIN = 1e-5;
constexpr double TIE_ROW = 1.41e-10, TIE_COLUMN = 1e-10, TIE_ORDER = 1.73e-13;  // assignment.py says what for

struct Edge {
    Index row, column;  // of the cost matrix that these are the finite entries of
    double cost;
};
using Edges = std::vector<Edge>;

// Cheapest assignment of the rows of one component; edges sorted by row, numbered within it.
class ComponentSolver {
  public:
    struct Arc {
        int column;
        double cost;  // below zero: better than nothing
    };

    void clear() { first_.assign(1, 0), arcs_.clear(); }
    void add(int column, double cost) { arcs_.push_back({column, cost}); }
    void end_row() { first_.push_back(static_cast<int>(arcs_.size())); }

    // The column of each row, -1 for none.
    const std::vector<int>& solve(int columns) {
        const int rows = static_cast<int>(first_.size()) - 1, all = columns + rows;  // columns + row: the way out
        u_.assign(rows, 0), v_.assign(all, 0), row_of_.assign(all, -1), column_of_.assign(rows, -1);
        for (int row = 0; row < rows; ++row)  // no reduced cost is negative
            for (int k = first_[row]; k < first_[row + 1]; ++k) u_[row] = std::min(u_[row], arcs_[k].cost);
        for (int row = 0; row < rows; ++row) augment(row, columns, all);
        for (int& column : column_of_)
            if (column >= columns) column = -1;
        return column_of_;
    }

  private:
    void augment(int start, int columns, int all) {
        shortest_.assign(all, INFINITE), done_.assign(all, 0), before_.assign(all, -1);
        seen_.clear(), frontier_.clear();
        int row = start, sink = -1;
        double length = 0;
        const auto reach = [&](int column, double cost) {
            if (done_[column]) return;
            const double found = length + cost - u_[row] - v_[column];
            if (found >= shortest_[column]) return;
            if (shortest_[column] == INFINITE) frontier_.push_back(column);
            shortest_[column] = found, before_[column] = row;
        };
        while (sink < 0) {
            for (int k = first_[row]; k < first_[row + 1]; ++k) reach(arcs_[k].column, arcs_[k].cost);
            reach(columns + row, 0);
            std::size_t nearest = 0;
            for (std::size_t k = 1; k < frontier_.size(); ++k)
                if (shortest_[frontier_[k]] < shortest_[frontier_[nearest]]) nearest = k;
            const int column = frontier_[nearest];
            frontier_[nearest] = frontier_.back(), frontier_.pop_back();
            length = shortest_[column], done_[column] = 1, seen_.push_back(column);
            if (row_of_[column] < 0)
                sink = column;
            else
                row = row_of_[column];
        }
        u_[start] += length;
        for (int column : seen_) {
            if (row_of_[column] >= 0) u_[row_of_[column]] += length - shortest_[column];
            v_[column] -= length - shortest_[column];
        }
        for (int column = sink; column >= 0;) {
            const int from = before_[column], next = column_of_[from];
            row_of_[column] = from, column_of_[from] = column;
            column = from == start ? -1 : next;
        }
    }

    std::vector<int> first_{0};
    std::vector<Arc> arcs_;
    std::vector<double> u_, v_, shortest_;
    std::vector<int> row_of_, column_of_, before_, seen_, frontier_;
    std::vector<char> done_;
};

class Assignment {
  public:
    // Call `matched(row, column, cost)` for the pairs of the cheapest assignment that cost at most `threshold`.
    // `edges` in the order of their rows, `rows` x `columns` the matrix that they are of.
    template <class Matched>
    void assign(const Edges& edges, Index rows, Index columns, double threshold, double margin, Matched&& matched) {
        admissible_.clear(), row_count_.assign(rows, 0), column_count_.assign(columns, 0);
        for (const Edge& edge : edges)
            if (edge.cost <= threshold) {
                admissible_.push_back(edge);
                ++row_count_[edge.row], ++column_count_[edge.column];
            }
        std::size_t to = 0;
        for (const Edge& edge : admissible_)
            if (row_count_[edge.row] == 1 && column_count_[edge.column] == 1)
                matched(edge.row, edge.column, edge.cost);
            else
                admissible_[to++] = edge;
        admissible_.resize(to);
        if (to) solve_components(rows, columns, threshold + margin, matched);
    }

    // SORT's order: solve over all overlaps, then drop the pairs that are too poor.
    template <class Matched>
    void assign_before_threshold(const Edges& edges, Index rows, Index columns, double threshold, Matched&& matched) {
        row_count_.assign(rows, 0), column_count_.assign(columns, 0);
        bool any = false, one_to_one = true;
        for (const Edge& edge : edges)
            if (edge.cost < threshold) {
                any = true;
                one_to_one &= ++row_count_[edge.row] == 1;
                one_to_one &= ++column_count_[edge.column] == 1;
            }
        if (any && one_to_one) {
            for (const Edge& edge : edges)
                if (edge.cost < threshold) matched(edge.row, edge.column, edge.cost);
            return;
        }
        const double below_one = std::nextafter(1.0, 0.0);
        assign(edges, rows, columns, below_one, 1.0 - below_one, [&](Index row, Index column, double cost) {
            if (cost <= threshold) matched(row, column, cost);
        });
    }

  private:
    int root(int node) {
        while (parent_[node] != node) node = parent_[node] = parent_[parent_[node]];
        return node;
    }

    template <class Matched>
    void solve_components(Index rows, Index columns, double nothing, Matched&& matched) {
        parent_.resize(rows + columns);
        std::iota(parent_.begin(), parent_.end(), 0);
        for (const Edge& edge : admissible_)
            parent_[root(static_cast<int>(edge.row))] = root(static_cast<int>(rows + edge.column));
        const auto component = [&](const Edge& edge) { return root(static_cast<int>(edge.row)); };
        std::stable_sort(admissible_.begin(), admissible_.end(),
                         [&](const Edge& a, const Edge& b) { return component(a) < component(b); });
        number_.assign(columns, -1);
        for (std::size_t start = 0, stop = 0; start < admissible_.size(); start = stop) {
            while (stop < admissible_.size() && component(admissible_[stop]) == component(admissible_[start])) ++stop;
            solve_component(start, stop, nothing, matched);
        }
    }

    template <class Matched>
    void solve_component(std::size_t start, std::size_t stop, double nothing, Matched&& matched) {
        component_rows_.clear(), component_columns_.clear(), solver_.clear();
        for (std::size_t k = start; k < stop; ++k) {
            const Edge& edge = admissible_[k];
            if (component_rows_.empty() || component_rows_.back() != edge.row) {
                if (!component_rows_.empty()) solver_.end_row();
                component_rows_.push_back(edge.row);
            }
            if (number_[edge.column] < 0) {
                number_[edge.column] = static_cast<int>(component_columns_.size());
                component_columns_.push_back(edge.column);
            }
            const double i = static_cast<double>(edge.row), j = static_cast<double>(edge.column);
            const double tie = TIE_ROW * i + TIE_COLUMN * j - TIE_ORDER * (i * j);
            solver_.add(number_[edge.column], edge.cost + tie - nothing);
        }
        solver_.end_row();
        const std::vector<int>& found = solver_.solve(static_cast<int>(component_columns_.size()));
        std::size_t k = start;
        for (std::size_t row = 0; row < component_rows_.size(); ++row) {
            const Index column = found[row] < 0 ? NONE : component_columns_[found[row]];
            for (; k < stop && admissible_[k].row == component_rows_[row]; ++k)
                if (admissible_[k].column == column) matched(component_rows_[row], column, admissible_[k].cost);
        }
    }

    Edges admissible_;
    Indices row_count_, column_count_, component_rows_, component_columns_;
    std::vector<int> parent_, number_;
    ComponentSolver solver_;
};

}  // namespace flatsort
