"""The site of the documents: what MkDocs calls while it builds, and the pictures that are drawn for it."""
