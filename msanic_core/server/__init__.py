"""The only users of Sanic: the application, its routes, the WebSocket adapter, start and stop."""
