"""Stands for ImageFactory; its modules have the names of the classes that are taken from them."""
