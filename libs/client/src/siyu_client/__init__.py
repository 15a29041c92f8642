"""Python client of siyu and the siyu command."""
