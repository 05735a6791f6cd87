"""Values and objects of every kind that a payload can be made of."""
