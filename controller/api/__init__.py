"""The Kubernetes objects that people write and read, as pydantic models, and the schemas made from them."""
