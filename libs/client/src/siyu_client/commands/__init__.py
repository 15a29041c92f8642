"""The commands of `siyu`, one module each."""
