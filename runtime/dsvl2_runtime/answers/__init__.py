"""From logits to text: sampling, stop texts, the loop."""
