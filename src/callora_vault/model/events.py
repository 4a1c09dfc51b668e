"""The events of vault and factory as values, each with the shape of its topics and data."""

from typing import ClassVar, Final, TypeAlias

import attrs

from callora_vault.model.units import Address, ScType, Symbol, in_words


@attrs.frozen
class EventShape:
    """How an event is written: its name is the first topic.

    `topics` and `data` are pairs of an attribute's name and its ScVal type. One item of data is
    written as it is, more than one as a Vec.
    """

    name: str
    topics: tuple[tuple[str, ScType], ...]
    data: tuple[tuple[str, ScType], ...]


_AMOUNT_AND_BALANCE = (("amount", ScType.I128), ("balance", ScType.I128))


@attrs.frozen
class InitEvent:
    """The vault has an owner and a first balance."""

    shape: ClassVar = EventShape("init", (("owner", ScType.ADDRESS),), (("balance", ScType.I128),))
    owner: Address
    balance: int


@attrs.frozen
class DepositEvent:
    """`amount` came in; `balance` is the balance after it."""

    shape: ClassVar = EventShape("deposit", (), _AMOUNT_AND_BALANCE)
    amount: int
    balance: int


@attrs.frozen
class DeductEvent:
    """`amount` was taken for a request; `request_id` is empty if the call gave none."""

    shape: ClassVar = EventShape(
        "deduct",
        (("caller", ScType.ADDRESS), ("request_id", ScType.SYMBOL)),
        _AMOUNT_AND_BALANCE,
    )
    caller: Address
    request_id: Symbol
    amount: int
    balance: int


@attrs.frozen
class WithdrawEvent:
    """The owner took `amount` out."""

    shape: ClassVar = EventShape("withdraw", (("owner", ScType.ADDRESS),), _AMOUNT_AND_BALANCE)
    owner: Address
    amount: int
    balance: int


@attrs.frozen
class WithdrawToEvent:
    """The owner took `amount` out in favour of `to`."""

    shape: ClassVar = EventShape(
        "withdraw_to",
        (("owner", ScType.ADDRESS), ("to", ScType.ADDRESS)),
        _AMOUNT_AND_BALANCE,
    )
    owner: Address
    to: Address
    amount: int
    balance: int


@attrs.frozen
class SetAuthorizedCallerEvent:
    """v2: `caller` may deduct besides the owner; None for nobody."""

    shape: ClassVar = EventShape(
        "set_authorized_caller",
        (("owner", ScType.ADDRESS),),
        (("caller", ScType.OPTIONAL_ADDRESS),),
    )
    owner: Address
    caller: Address | None


Event: TypeAlias = (
    InitEvent
    | DepositEvent
    | DeductEvent
    | WithdrawEvent
    | WithdrawToEvent
    | SetAuthorizedCallerEvent
)

EVENTS: Final[tuple[type[Event], ...]] = (
    InitEvent,
    DepositEvent,
    DeductEvent,
    WithdrawEvent,
    WithdrawToEvent,
    SetAuthorizedCallerEvent,
)
"""Every event class of the vault, in the order of the contract."""


@attrs.frozen
class CreateEvent:
    """The factory deployed `vault` for its owner."""

    shape: ClassVar = EventShape(
        "create", (("owner", ScType.ADDRESS),), (("vault", ScType.ADDRESS),)
    )
    owner: Address
    vault: Address


@attrs.frozen
class MigrateEvent:
    """The factory moved `old` to `new`, with a balance of `amount`."""

    shape: ClassVar = EventShape(
        "migrate",
        (("owner", ScType.ADDRESS), ("old", ScType.ADDRESS)),
        (("new", ScType.ADDRESS), ("amount", ScType.I128)),
    )
    owner: Address
    old: Address
    new: Address
    amount: int


FactoryEvent: TypeAlias = CreateEvent | MigrateEvent

FACTORY_EVENTS: Final[tuple[type[FactoryEvent], ...]] = (CreateEvent, MigrateEvent)
"""Every event class of the factory, in the order of the contract."""


def fields(event: Event | FactoryEvent) -> str:
    """Write the values of an event in one line, for people."""
    return in_words(attrs.asdict(event), none="nobody")


def describe_event(event: Event | FactoryEvent) -> str:
    """Write an event in words: its name and its values."""
    return f"{event.shape.name}({fields(event)})"
