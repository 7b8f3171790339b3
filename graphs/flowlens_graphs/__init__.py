"""Frames to networkx graphs, pictures and exports."""
