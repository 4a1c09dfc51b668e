"""Addresses that are computed: where a factory deploys."""

from stellar_sdk import Address as StellarAddress
from stellar_sdk import Network, xdr
from stellar_sdk.utils import sha256

from callora_vault.codec.values import contract_address, encode_address
from callora_vault.model import units
from callora_vault.model.units import Address


def vault_address(factory: Address, owner: Address, salt: bytes, passphrase: str) -> Address:
    """Tell the address at which a factory deploys for an owner and a salt. Raises BadValue.

    The salt of the deployment is the SHA-256 of the owner as an ScVal in XDR, then ``salt``, so
    that nobody but the owner can take the address. Arguments: ``passphrase``, of the network.
    """
    bound = sha256(encode_address(owner).to_xdr_bytes() + units.bytes32(salt, "salt"))
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            network_id=xdr.Hash(Network(passphrase).network_id()),
            contract_id_preimage=xdr.ContractIDPreimage(
                xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
                from_address=xdr.ContractIDPreimageFromAddress(
                    StellarAddress(factory).to_xdr_sc_address(), xdr.Uint256(bound)
                ),
            ),
        ),
    )
    return contract_address(sha256(preimage.to_xdr_bytes()))
