"""What rnnstudio is measured by: each benchmark sets it beside what a person could use instead, in the same process."""
