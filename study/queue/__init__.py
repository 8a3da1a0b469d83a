"""Which trial comes next; pure logic, no Ray."""
