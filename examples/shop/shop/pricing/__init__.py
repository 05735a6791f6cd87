"""What things cost: pure rules, no database."""
