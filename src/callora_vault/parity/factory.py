from callora_vault.parity.subject import VaultSubject


class FactorySubject(VaultSubject): ...
