"""How good answers are: metrics, intervals, calibration, importance. Fits nothing but copies for curves."""
