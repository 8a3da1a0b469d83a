"""What is being studied: data, model, optimizers and the training loop."""
