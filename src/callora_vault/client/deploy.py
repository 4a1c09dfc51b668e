"""A new vault: upload its code if it is missing, create an instance, initialise it.

A factory does the last two in one transaction. Without one they are two transactions, so somebody
else can initialise the instance first; an instance with another owner is left alone and the next
one is tried. Owner and code are always read back. The ids follow from the name of the deployment,
so that the same deployment continues after a crash.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from hashlib import sha256
from typing import Final

import attrs
from stellar_sdk import xdr

from callora_vault import wasm
from callora_vault.client.approval import Expected
from callora_vault.client.errors import CallFailed, NoFreeId, UnexpectedCode, UnexpectedFootprint
from callora_vault.client.journal import Journal
from callora_vault.client.keys import Signer
from callora_vault.client.limits import Limits
from callora_vault.client.refusals import failed
from callora_vault.client.successors import NotOurFactory
from callora_vault.client.transactions import Action, Transactions
from callora_vault.client.vault import VaultClient, code_hash_of
from callora_vault.codec.addresses import deployed_address, id_preimage, vault_address
from callora_vault.codec.calls import encode_authorisation, host_function
from callora_vault.codec.entries import StoredVault
from callora_vault.codec.keys import code_key, instance_key
from callora_vault.model import units
from callora_vault.model.calls import Create, Init, describe_call
from callora_vault.model.errors import AlreadyInitialized, FactoryError
from callora_vault.model.memory import VaultModel
from callora_vault.model.units import Address
from callora_vault.rpc.errors import SimulationFailed
from callora_vault.rpc.network import Network
from callora_vault.rpc.results import Success

IDS: Final = 16
"""How many ids are tried if others take them."""


@attrs.frozen
class Deployed:
    """A deployed vault: `contract`, and the SHA-256 of its code in hex.

    `abandoned` are instances that others initialised first.
    """

    contract: Address
    code_hash: str
    abandoned: tuple[Address, ...]


class Deployer:
    """Deploys vaults with one account, which pays and determines their ids.

    No other process may use the account at the same time.
    """

    def __init__(
        self, network: Network, journal: Journal, source: Signer, limits: Limits | None = None
    ) -> None:
        self._network = network
        self._journal = journal
        self._source = source
        self._limits = limits or Limits()

    def deploy(
        self,
        code: bytes,
        owner: Signer,
        initial_balance: int | None = None,
        min_deposit: int | None = None,
        *,
        factory: Address | None = None,
        name: str | None = None,
    ) -> Deployed:
        """Deploy a vault and initialise it.

        Arguments: `code`, a compiled vault; `owner`, who signs; `factory`, the contract that
        deploys; `name` of the deployment: repeated with the same name, a deployment continues after
        a crash, and a finished one returns its vault.
        Raises NoFreeId; UnexpectedCode if the deployment of this name has other code;
        BadValue, NegativeInitialBalance, NegativeMinDeposit, with nothing uploaded; FactoryError,
        NotOurFactory; as `VaultClient.init` and `VaultClient.submit`.
        """
        name = uuid.uuid4().hex if name is None else name
        init = Init(owner.address, initial_balance, min_deposit)
        VaultModel().call(init)  # raises what the vault would refuse, before anything is uploaded
        if factory is not None:
            units.contract(factory, "factory")
        code_hash = self.upload(code)
        abandoned: list[Address] = []
        for number in range(IDS):
            salt = sha256(f"{name} {number}".encode()).digest()
            if factory is None:
                contract = self.create(code_hash, salt)
            else:
                contract = self._create_by(factory, code_hash, salt, owner, init)
            stored = self._with_owner(contract, code_hash, owner, init)
            if stored.meta is not None and stored.meta.owner == owner.address:
                return Deployed(contract, code_hash.hex(), tuple(abandoned))
            abandoned.append(contract)
        raise NoFreeId(name, tuple(abandoned))

    def _with_owner(
        self, contract: Address, code_hash: bytes, owner: Signer, init: Init
    ) -> StoredVault:
        """Initialise an instance if it has no owner, and read it back."""
        vault = self._client(contract, owner)
        stored = vault.stored()
        _check_code(contract, stored, code_hash)
        if stored.meta is None:
            with suppress(AlreadyInitialized):  # the owner is read back
                vault.call(init, key="init")
            stored = vault.stored()
        return stored

    def _client(self, contract: Address, *signers: Signer) -> VaultClient:
        return VaultClient(
            contract,
            self._network,
            self._journal,
            signers,
            source=self._source,
            limits=self._limits,
        )

    def factory(self, code: bytes) -> Address:
        """Deploy a factory, if this account has deployed none of this code, and return its id.

        Arguments: `code`, a compiled factory. Raises UnexpectedCode; as `VaultClient.submit`.
        """
        code_hash = self.upload(code)
        contract = self.create(code_hash, sha256(b"factory" + code_hash).digest())
        _check_code(contract, self._client(contract).stored(), code_hash)
        return contract

    def upload(self, code: bytes) -> bytes:
        """Upload code if it is not on the ledger, or archived; return its SHA-256.

        Raises as `VaultClient.submit`.
        """
        code_hash = sha256(code).digest()
        if not self._lives(code_hash):
            try:
                self._submit(upload_action(code))
            except UnexpectedFootprint:  # code that exists is only read
                if not self._lives(code_hash):
                    raise
        return code_hash

    def _lives(self, code_hash: bytes) -> bool:
        key = code_key(code_hash)
        found = self._network.entries([key], self._network.deadline(self._limits.timeout))
        return found.lives(key)

    def create(self, code_hash: bytes, salt: bytes) -> Address:
        """Create an instance of the code if it does not exist, and return its id.

        Arguments: `salt`, 32 bytes: the id follows from it and from the account that pays. An
        existing instance may run other code and may have an owner. Raises as `VaultClient.submit`.
        """
        action = create_action(self._source.address, code_hash, salt, self._network.passphrase)
        if not self._exists(action.contract):
            self._submit(action)
        return action.contract

    def _create_by(
        self, factory: Address, code_hash: bytes, salt: bytes, owner: Signer, init: Init
    ) -> Address:
        """Let a factory create an instance with its owner, if none exists; return its id."""
        contract = vault_address(factory, owner.address, salt, self._network.passphrase)
        if self._exists(contract):
            return contract
        call = Create(owner.address, code_hash, salt, init.initial_balance, init.min_deposit)
        own_code = code_hash_of(factory, self._client(factory).stored().executable)
        expected = Expected(
            owner.address,
            encode_authorisation(factory, call, [(contract, init)]),
            (instance_key(factory), code_key(own_code), code_key(code_hash)),
            (instance_key(contract),),
        )
        function = host_function(factory, call)
        try:
            request = describe_call(call)
            action = Action(contract, "create", contract, request, function, expected)
            self._submit(action, owner)
        except (SimulationFailed, CallFailed) as failure:
            code = None if failure.error is None else failure.error.factory_error
            if code is not None:
                raise FactoryError(code) from failure
            if own_code != wasm.code_hash("factory"):
                raise NotOurFactory(factory, own_code.hex()) from failure
            raise
        return contract

    def _exists(self, contract: Address) -> bool:
        key = instance_key(contract)
        until = self._network.deadline(self._limits.timeout)
        return self._network.entries([key], until).get(key) is not None

    def _submit(self, action: Action, *signers: Signer) -> None:
        everybody = {signer.address: signer for signer in (self._source, *signers)}
        transactions = Transactions(
            self._network, self._journal, self._source, everybody, self._limits
        )
        entry, _ = transactions.submit(action, self._network.deadline(self._limits.timeout))
        if not isinstance(entry.result, Success):
            raise failed(entry)


def _check_code(contract: Address, stored: StoredVault, code_hash: bytes) -> None:
    found = code_hash_of(contract, stored.executable)
    if found != code_hash:
        raise UnexpectedCode(contract, f"the code {found.hex()}")


def upload_action(code: bytes) -> Action:
    """Build the transaction that uploads code; it calls no contract and needs no authorisation.

    It changes nothing if the code exists, so each has its own key.
    """
    code_hash = sha256(code).digest()
    function = xdr.HostFunction(
        xdr.HostFunctionType.HOST_FUNCTION_TYPE_UPLOAD_CONTRACT_WASM, wasm=code
    )
    expected = Expected(None, None, (), (code_key(code_hash),))
    return Action("", uuid.uuid4().hex, "", f"upload {code_hash.hex()}", function, expected)


def create_action(deployer: Address, code_hash: bytes, salt: bytes, passphrase: str) -> Action:
    """Build the transaction that creates an instance of code; its id follows from the deployer."""
    arguments = xdr.CreateContractArgsV2(
        id_preimage(deployer, salt),
        xdr.ContractExecutable(
            xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM, xdr.Hash(code_hash)
        ),
        [],
    )
    contract = deployed_address(deployer, salt, passphrase)
    kind = xdr.SorobanAuthorizedFunctionType
    node = xdr.SorobanAuthorizedInvocation(
        xdr.SorobanAuthorizedFunction(
            kind.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CREATE_CONTRACT_V2_HOST_FN,
            create_contract_v2_host_fn=arguments,
        ),
        [],
    )
    function = xdr.HostFunction(
        xdr.HostFunctionType.HOST_FUNCTION_TYPE_CREATE_CONTRACT_V2, create_contract_v2=arguments
    )
    expected = Expected(deployer, node, (code_key(code_hash),), (instance_key(contract),))
    return Action(contract, "create", contract, f"create {code_hash.hex()}", function, expected)
