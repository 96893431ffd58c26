"""Robot worlds with task sentences: Meta-World and robosuite as clean Gymnasium environments."""
