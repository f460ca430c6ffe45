"""A storm that tries to break the promise, and a judge who looks at what is left from outside."""
