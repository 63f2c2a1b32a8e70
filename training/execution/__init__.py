"""How a training runs: where its fits are computed, what it shows meanwhile, where it could go on."""
