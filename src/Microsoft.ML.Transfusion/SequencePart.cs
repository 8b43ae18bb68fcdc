// What a prompt, an answer and a training document are made of.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion;

/// <summary>A piece of a mixed sequence: text, an image, or a vector where the model was trained on vectors.</summary>
public abstract record SequencePart
{
    private SequencePart()
    {
    }

    /// <summary>A piece of text.</summary>
    /// <param name="Value">The text; may be empty.</param>
    public sealed record Text(string Value) : SequencePart;

    /// <summary>An image. The caller keeps ownership of one it passes in, and owns one it is given.</summary>
    /// <param name="Value">The image, of any size and pixel format.</param>
    public sealed record Image(MLImage Value) : SequencePart;

    /// <summary>A vector of a model that was trained on vectors.</summary>
    /// <param name="Values">The values, in the order of <see cref="VectorCodecConfig.Shape"/>.</param>
    public sealed record Vector(float[] Values) : SequencePart;

    /// <summary>What an image that is being drawn will be, as far as can be told: the clean image that a denoising step predicts. Only in answers; the receiver owns it.</summary>
    /// <param name="Value">The image, of the trained size.</param>
    /// <param name="Step">Denoising steps that are done.</param>
    /// <param name="NumberOfSteps">How many there are.</param>
    public sealed record Preview(MLImage Value, int Step, int NumberOfSteps) : SequencePart;
}
