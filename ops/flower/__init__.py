"""Flower with the options that an operator needs: sign-in, bounded memory, and nothing that ends tasks."""
