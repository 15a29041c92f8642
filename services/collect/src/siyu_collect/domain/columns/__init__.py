"""A request's events read as columns: one array of numpy for each thing, not one object an event.

Only plain events are read so, as most are: every field regular, in the order of the contract, known
names and keys. Whether an event is plain is decided here; whether any other event is right is not.
Whatever looks unusual is left to ``domain.admission``, so a doubt costs time and never a wrong
answer.
"""
