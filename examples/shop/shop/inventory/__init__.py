"""How much of everything lies where."""
