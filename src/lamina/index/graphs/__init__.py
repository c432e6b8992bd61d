"""What a layered proximity graph is made of: its arrays, how they grow, how nodes are linked, taken out and checked."""
