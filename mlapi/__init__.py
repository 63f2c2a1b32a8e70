"""mlapi serves scikit-learn models as REST resources."""
