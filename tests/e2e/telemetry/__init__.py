"""One platform for all tests of this folder: a package, so that it ends with the last of them."""
