"""What hypnolens's network is compared with: features and trees, a linear probe, YASA, published networks."""
