"""How trimtab grows with the number of services: start, memory, CPU and queries of the shipped `trimtab run`."""
