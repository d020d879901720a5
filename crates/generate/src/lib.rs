//! Crowdset's sample data: the three tables of a product that never was.
