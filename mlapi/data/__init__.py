"""The data of a model: signatures, the rows of a request, tables, images. Knows no model and no estimator."""
