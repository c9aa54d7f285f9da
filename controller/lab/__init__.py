"""The lab: a fleet in virtual time whose physics is right.

Services under real load, pods that take their time, queues, an autoscaler by the rule, rollouts as the controllers do
them, and faults as data. What metrics say comes from the physics, so a repair that did not happen heals nothing. Pure
of sockets, event loops and clocks: time comes in through `Lab.advance`, chance from one seed.
"""
