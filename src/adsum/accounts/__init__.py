"""Users, their sign-ins and rights, API keys, and the audit log.

- Rights: `access` has the permissions of roles and `require_permission`, which every service calls; `visibility` the
  conditions of statements on what a caller sees; `callers` and `authentication` who sends a request to the API,
  `visitors` who visits a page. `named_schools` refuses a school that a request names and its sender must not see.
- Signing in: `sign_ins` (password, tokens), `single_sign_on` (a provider), `second_factors` (what they are and how they
  are verified). Their pages: `second_step` asks for a factor, `own_factors` manages the visitor's own, `confirming`
  asks again before a critical action. `passwords` has the policy, `profile` what users change of themselves.
- Keys: `api_keys` checks the key of a request, `key_management` creates, changes and revokes keys.
- `audit` records actions, and chains and seals them. `kept_words` keeps names out of the addresses of searches. `names`
  says which names of users can be changed.
"""
