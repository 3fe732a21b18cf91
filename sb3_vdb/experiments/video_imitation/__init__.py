"""The VDB paper's video imitation: a planar biped learns from frames alone (section 5.1)."""
