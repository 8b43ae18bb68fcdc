// What pictures are to the model.
namespace Microsoft.ML.Transfusion;

/// <summary>How pictures stand in the sequence, and what is learned of them.</summary>
public enum ImageObjective
{
    /// <summary>Continuous patches that see each other, learned by diffusion: the recipe of Transfusion (§3).</summary>
    Diffusion,

    /// <summary>
    /// The codes of a <see cref="VqAutoencoder"/>, a token each, learned and drawn one after the other as text is: the recipe of Chameleon, which Transfusion is compared with (§4.1).
    /// One vocabulary holds text and codes; attention is causal everywhere.
    /// </summary>
    DiscreteTokens,
}
