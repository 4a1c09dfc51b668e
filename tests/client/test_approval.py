"""Nothing is signed but the call itself: RPCs that lie about it, node by node and key by key."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from stellar_sdk import Address, scval, xdr
from tests.support.deployed_vault import (
    CHANNEL,
    OWNER,
    STRANGER,
    CountingSigner,
    DeployedVault,
    key_of,
)
from tests.support.transports import Altering

from callora_vault.client import (
    BadKey,
    FeeTooHigh,
    Journal,
    RefusedToSign,
    Signer,
    State,
    UnexpectedAuthorisation,
    UnexpectedCode,
    UnexpectedFootprint,
    Unreachable,
    WrongNetwork,
)
from callora_vault.codec.addresses import id_preimage
from callora_vault.codec.keys import account_key, code_key, instance_key, nonce_key
from callora_vault.codec.values import encode_i128

ME = OWNER.public_key
OTHER = Address.from_raw_contract(bytes(32)).address


def authorised(change: Callable[[xdr.SorobanAuthorizationEntry], None]) -> Callable[..., None]:
    """A lie about the first authorisation entry."""

    def lie(result: dict[str, Any]) -> None:
        (answer,) = result["results"]
        entry = xdr.SorobanAuthorizationEntry.from_xdr(answer["auth"][0])
        change(entry)
        answer["auth"][0] = entry.to_xdr()

    return lie


def call_of(entry: xdr.SorobanAuthorizationEntry) -> xdr.InvokeContractArgs:
    call = entry.root_invocation.function.contract_fn
    assert call is not None
    return call


@authorised
def another_argument(entry: xdr.SorobanAuthorizationEntry) -> None:
    call_of(entry).args[1] = encode_i128(26)


@authorised
def another_contract(entry: xdr.SorobanAuthorizationEntry) -> None:
    call_of(entry).contract_address = Address(OTHER).to_xdr_sc_address()


@authorised
def another_method(entry: xdr.SorobanAuthorizationEntry) -> None:
    call_of(entry).function_name = xdr.SCSymbol(b"withdraw_to")


@authorised
def an_inner_call(entry: xdr.SorobanAuthorizationEntry) -> None:
    arguments = [scval.to_address(STRANGER.public_key), encode_i128(10**9)]
    kind = xdr.SorobanAuthorizedFunctionType
    function = xdr.SorobanAuthorizedFunction(
        kind.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CONTRACT_FN,
        contract_fn=xdr.InvokeContractArgs(
            Address(OTHER).to_xdr_sc_address(), xdr.SCSymbol(b"transfer"), arguments
        ),
    )
    inner = xdr.SorobanAuthorizedInvocation(function, [])
    entry.root_invocation.sub_invocations.append(inner)


@authorised
def a_creation(entry: xdr.SorobanAuthorizationEntry) -> None:
    kind = xdr.SorobanAuthorizedFunctionType
    executable = xdr.ContractExecutable(
        xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM, xdr.Hash(bytes(32))
    )
    entry.root_invocation.function = xdr.SorobanAuthorizedFunction(
        kind.SOROBAN_AUTHORIZED_FUNCTION_TYPE_CREATE_CONTRACT_HOST_FN,
        create_contract_host_fn=xdr.CreateContractArgs(id_preimage(ME, bytes(32)), executable),
    )


@authorised
def another_signer(entry: xdr.SorobanAuthorizationEntry) -> None:
    entry.credentials = xdr.SorobanCredentials(
        xdr.SorobanCredentialsType.SOROBAN_CREDENTIALS_ADDRESS,
        address=xdr.SorobanAddressCredentials(
            Address(STRANGER.public_key).to_xdr_sc_address(),
            xdr.Int64(1),
            xdr.Uint32(0),
            scval.to_void(),
        ),
    )


def a_second_entry(result: dict[str, Any]) -> None:
    (answer,) = result["results"]
    answer["auth"] = [*answer["auth"], answer["auth"][0]]


def no_entry(result: dict[str, Any]) -> None:
    result["results"][0]["auth"] = []


TREES = [
    (another_argument, r"the signed call would be deduct\(.*, 26, .*, not deduct\(.*, 25, "),
    (another_contract, f"on {OTHER}, not deduct"),
    (another_method, "would be withdraw_to"),
    (an_inner_call, "the nested calls of deduct.* would be transfer.*, not nothing"),
    (a_creation, "would be the creation of a contract"),
    (another_signer, f"the signer would be {STRANGER.public_key}"),
    (a_second_entry, "the authorisation to sign would be by .*; by "),
    (no_entry, "the authorisation to sign would be nothing"),
]


def declared(change: Callable[[xdr.SorobanTransactionData], None]) -> Callable[..., None]:
    """A lie about the declared resources."""

    def lie(result: dict[str, Any]) -> None:
        data = xdr.SorobanTransactionData.from_xdr(result["transactionData"])
        change(data)
        result["transactionData"] = data.to_xdr()

    return lie


@declared
def reads_another_contract(data: xdr.SorobanTransactionData) -> None:
    data.resources.footprint.read_only.append(instance_key(OTHER))


@declared
def writes_another_contract(data: xdr.SorobanTransactionData) -> None:
    data.resources.footprint.read_write.append(instance_key(OTHER))


@declared
def writes_an_account(data: xdr.SorobanTransactionData) -> None:
    data.resources.footprint.read_write.append(account_key(ME))


@declared
def writes_a_nonce_of_a_stranger(data: xdr.SorobanTransactionData) -> None:
    data.resources.footprint.read_write.append(nonce_key(STRANGER.public_key, 1))


@declared
def writes_two_nonces(data: xdr.SorobanTransactionData) -> None:
    data.resources.footprint.read_write += [nonce_key(ME, 1), nonce_key(ME, 2)]


@declared
def writes_the_code(data: xdr.SorobanTransactionData) -> None:
    footprint = data.resources.footprint
    footprint.read_write += footprint.read_only
    footprint.read_only = []


@declared
def runs_other_code(data: xdr.SorobanTransactionData) -> None:
    footprint = data.resources.footprint
    others = [key for key in footprint.read_only if key.contract_code is None]
    footprint.read_only = [*others, code_key(bytes(32))]


@declared
def restores_another_contract(data: xdr.SorobanTransactionData) -> None:
    written = data.resources.footprint.read_write
    written.append(instance_key(OTHER))
    indexes = xdr.SorobanResourcesExtV0([xdr.Uint32(len(written) - 1)])
    data.ext = xdr.SorobanTransactionDataExt(1, indexes)


@declared
def writes_nothing(data: xdr.SorobanTransactionData) -> None:
    footprint = data.resources.footprint
    footprint.read_only += footprint.read_write
    footprint.read_write = []


FOOTPRINTS = [
    (reads_another_contract, f"also read the instance of {OTHER}"),
    (writes_another_contract, f"also write the instance of {OTHER}"),
    (writes_an_account, "also write .*account"),
    (writes_a_nonce_of_a_stranger, "also write .*nonce"),
    (writes_two_nonces, "also write .*nonce"),
    (writes_the_code, "also write the code .*, not read the code"),
    (runs_other_code, f"also read the code {bytes(32).hex()}, not read the code"),
    (restores_another_contract, f"also write the instance of {OTHER}"),
    (writes_nothing, "not write the instance of"),
]


def costs_everything(result: dict[str, Any]) -> None:
    result["minResourceFee"] = "50000001"


def costs_less_than_nothing(result: dict[str, Any]) -> None:
    result["minResourceFee"] = "-1"


LIES = [
    *((lie, UnexpectedAuthorisation, text) for lie, text in TREES),
    *((lie, UnexpectedFootprint, text) for lie, text in FOOTPRINTS),
    (costs_everything, FeeTooHigh, "50,000,001 stroops, over the limit of 50,000,000"),
    (costs_less_than_nothing, FeeTooHigh, "-1 stroops"),
]
LANES = ["source", "source of the operation", "address"]


def refused(
    deployed: DeployedVault,
    journal: Journal,
    lane: str,
    lie: Callable[[dict[str, Any]], None],
    error: type[RefusedToSign],
) -> str:
    """Call with an RPC that lies; return why it was refused. No key may have been used."""
    owner, channel = CountingSigner(OWNER), CountingSigner(CHANNEL)
    vault = deployed.client(
        journal,
        (owner.signer,),
        source=None if lane == "source" else channel.signer,
        address_credentials=lane == "address",
        transport=Altering(deployed.network, "simulateTransaction", lie),
    )
    ledger = deployed.network.latest_ledger
    with pytest.raises(error) as reason:
        vault.deduct(ME, 25, "req_1")
    assert (owner.signed, channel.signed) == (0, 0)
    assert journal.listed(deployed.network.passphrase, *State) == ()
    assert deployed.network.latest_ledger == ledger
    return str(reason.value)


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(
    ("lie", "error", "text"), LIES, ids=lambda value: getattr(value, "__name__", "")
)
def test_an_rpc_that_lies_gets_no_signature(
    deployed: DeployedVault,
    journal: Journal,
    lane: str,
    lie: Callable[[dict[str, Any]], None],
    error: type[RefusedToSign],
    text: str,
) -> None:
    reason = refused(deployed, journal, lane, lie, error)
    assert re.search(text, reason)


@pytest.mark.parametrize("lane", LANES)
def test_an_rpc_that_says_the_truth_gets_one(
    deployed: DeployedVault, journal: Journal, lane: str
) -> None:
    owner, channel = CountingSigner(OWNER), CountingSigner(CHANNEL)
    vault = deployed.client(
        journal,
        (owner.signer,),
        source=None if lane == "source" else channel.signer,
        address_credentials=lane == "address",
    )
    vault.deduct(ME, 25, "req_1")
    assert (owner.signed, channel.signed) == (1, 0 if lane == "source" else 1)


def test_an_rpc_of_another_network_gets_no_signature(
    deployed: DeployedVault, journal: Journal
) -> None:
    def other(result: dict[str, Any]) -> None:
        result["passphrase"] = "Some other network ; 2026"

    owner = CountingSigner(OWNER)
    transport = Altering(deployed.network, "getNetwork", other)
    with pytest.raises(WrongNetwork, match="serves the network 'Some other network ; 2026', not"):
        deployed.client(journal, (owner.signer,), transport=transport).deposit(10)
    assert owner.signed == 0


@pytest.mark.parametrize("field", ["transactionData", "auth"])
def test_an_answer_that_is_no_xdr_gets_no_signature(
    deployed: DeployedVault, journal: Journal, field: str
) -> None:
    def garble(result: dict[str, Any]) -> None:
        if field == "auth":
            result["results"][0]["auth"] = ["AAAA"]
        else:
            result[field] = "AAAA"

    owner = CountingSigner(OWNER)
    transport = Altering(deployed.network, "simulateTransaction", garble)
    with pytest.raises(Unreachable, match="its answer cannot be read"):
        deployed.client(journal, (owner.signer,), transport=transport).deposit(10)
    assert owner.signed == 0


def test_code_that_is_none_of_the_vaults_own_gets_no_signature(
    deployed: DeployedVault, journal: Journal
) -> None:
    """An instance of the lumens contract runs the network's code."""
    found = deployed.network.entry(instance_key(deployed.vault).to_xdr_bytes())
    assert found is not None
    entry = xdr.LedgerEntry.from_xdr_bytes(found[0])
    assert entry.data.contract_data is not None
    assert entry.data.contract_data.val.instance is not None
    entry.data.contract_data.val.instance.executable = xdr.ContractExecutable(
        xdr.ContractExecutableType.CONTRACT_EXECUTABLE_STELLAR_ASSET
    )
    deployed.network.set_entry(entry.to_xdr_bytes(), found[1])
    owner = CountingSigner(OWNER)
    with pytest.raises(UnexpectedCode, match="runs the Stellar asset contract"):
        deployed.client(journal, (owner.signer,)).deposit(10)
    assert owner.signed == 0


def test_a_callback_that_signs_with_another_key_is_caught(
    deployed: DeployedVault, journal: Journal
) -> None:
    wrong = Signer(ME, key_of("another").sign)
    with pytest.raises(BadKey, match="not valid for this account"):
        deployed.client(journal, (wrong,)).deposit(10)
    assert journal.listed(deployed.network.passphrase, *State) == ()
