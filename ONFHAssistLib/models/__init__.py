"""Networks, the bundles that carry them, and the engines that run them."""
