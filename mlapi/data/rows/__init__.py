"""Rows as clients send them -> a batch, or why not.

The words for rows, in the order in which a request meets them:

    record      a row as an object, with a member for each feature; the other form is a list of cells
    Cells       the values of all rows as JSON has them, by row or by column; not an array yet
    Matrix      accepted rows whose features are all numbers: one array (rows, features)
    Columns     any other accepted rows: an array (rows,) for each feature
    Batch       a `Matrix` or `Columns`: what a model predicts for
    Row         one accepted row as cells, which is predicted for without arrays
    Instances   a `Batch` or a `Row`, with the warnings about it: what is handed to a resource
"""
