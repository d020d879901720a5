//! Crowdset: exact audience segmentation, embedded.
