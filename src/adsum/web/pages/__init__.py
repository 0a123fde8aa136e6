"""The pages: what teachers, offices and operators see. They use the services that the API uses, and no other way."""
