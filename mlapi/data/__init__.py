"""What goes into a model and comes out: signatures, rows, tables, pictures. Knows no model and no
estimator."""
