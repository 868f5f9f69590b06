"""What a person sees: the Textual application, and `literal()`, the one door for text from outside."""
