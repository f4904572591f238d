"""Who judges the exercises: one module a lesson, each function named after the exercise it judges."""
