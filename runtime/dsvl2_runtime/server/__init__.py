"""An HTTP server on this machine that clients of OpenAI's chat API can call, and a page to ask from."""
