"""How a model learns: lanes of text, budgets, the loop, what it saves and shows on the way."""
