"""Computed addresses: the id of a contract follows from its deployer and a salt.

Source: contract ids in CAP-46-02.
"""

from stellar_sdk import Address as StellarAddress
from stellar_sdk import Network, xdr
from stellar_sdk.utils import sha256

from callora_vault.codec.values import contract_address, encode_address
from callora_vault.model import units
from callora_vault.model.units import Address


def id_preimage(deployer: Address, salt: bytes) -> xdr.ContractIDPreimage:
    """Build the preimage of a contract's id: its deployer and a salt of 32 bytes."""
    return xdr.ContractIDPreimage(
        xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
        from_address=xdr.ContractIDPreimageFromAddress(
            StellarAddress(deployer).to_xdr_sc_address(), xdr.Uint256(salt)
        ),
    )


def deployed_address(deployer: Address, salt: bytes, passphrase: str) -> Address:
    """Return the id of the contract that a deployer creates with a salt of 32 bytes.

    Arguments: `passphrase`, of the network.
    """
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            network_id=xdr.Hash(Network(passphrase).network_id()),
            contract_id_preimage=id_preimage(deployer, salt),
        ),
    )
    return contract_address(sha256(preimage.to_xdr_bytes()))


def vault_address(factory: Address, owner: Address, salt: bytes, passphrase: str) -> Address:
    """Return the address at which a factory deploys for an owner and a salt. Raises BadValue.

    The salt of the deployment is the SHA-256 of the owner as an ScVal in XDR, then `salt`, so
    that only the owner can take the address. Arguments: `passphrase`, of the network.
    """
    bound = sha256(encode_address(owner).to_xdr_bytes() + units.bytes32(salt, "salt"))
    return deployed_address(factory, bound, passphrase)
