"""Training of the compact model: word table, augmentation, sequences, losses."""
