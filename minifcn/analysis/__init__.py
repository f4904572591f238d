"""What the papers analyse: how coarse a prediction may be, what a net looks at, and two other ways to dense scores."""
