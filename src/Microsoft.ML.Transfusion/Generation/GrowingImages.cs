// What images in the making have in common, and how finished ones are read.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;

namespace Microsoft.ML.Transfusion.Generation;

/// <summary>Images that began together and grow step by step.</summary>
internal interface IGrowingImages : IDisposable
{
    bool HasEnded { get; }

    /// <summary>What the network reads for the next step.</summary>
    IEnumerable<RowPass> Begin();

    /// <summary>Takes the step, now that the passes have their results.</summary>
    void End();
}

internal static class CleanImage
{
    /// <summary>BOI, a finished image, EOI.</summary>
    /// <param name="patches">[P, C·p·p], or codes.</param>
    public static PassPart[] Parts(float[] patches, TransfusionConfig config, SpecialTokens special) => config.NumberOfCodes > 0
        ? [PassPart.Tokens([special.BeginOfImage, .. special.Codes(patches), special.EndOfImage])]
        : [PassPart.Tokens(special.BeginOfImage), PassPart.Image(patches, config.Grid.PatchCount), PassPart.Tokens(special.EndOfImage)];
}
