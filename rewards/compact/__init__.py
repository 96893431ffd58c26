"""The compact reward model: its configuration, its network, its text side and its streaming scorer."""
