"""Single sign-on: users sign in at an OpenID Connect provider, by the authorization code flow with PKCE.

1. `pages.begin` redirects the browser to the provider. A signed cookie ties the attempt to this browser (`attempts`).
2. The provider signs the user in, and redirects the browser to `pages.finish` with a code.
3. `service.SingleSignOn.finish` exchanges the code for an ID token (`provider`), verifies it (`jwts`), finds the user
   of its issuer and subject, and signs them in. Their roles are Adsum's.
4. The first time, the user is found by the email that the provider has verified, or by the invitation of an admin
   (`identities`). From then on only issuer and subject count.
"""
