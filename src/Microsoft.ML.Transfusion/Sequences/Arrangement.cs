// How documents are laid out for one visit in training (Transfusion §4.1): pairs turn image-first now and then, some lose their caption.
namespace Microsoft.ML.Transfusion.Sequences;

/// <summary>A document in the order it is trained in, with the noise limit of each of its images.</summary>
/// <param name="Parts">Parts in order.</param>
/// <param name="MaxTimesteps">For each image, in order, one more than the largest timestep it may be noised with.</param>
/// <param name="PromptWeight">What the language loss of text that an image follows, and of its begin, counts; all else counts 1.</param>
/// <param name="HasLanguageLoss">False for a pair that lost its caption: learning that such an image ends the sequence would compete with captioning it.</param>
internal sealed record ArrangedDocument(IReadOnlyList<DocumentPart> Parts, IReadOnlyList<int> MaxTimesteps, bool HasLanguageLoss = true, double PromptWeight = 1);

internal static class Arrangement
{
    /// <summary>
    /// A pair of one text and one image, in either order, is laid out caption first or image first by chance; a caption-first one may lose its
    /// caption. Other documents keep their order; one that ends in an image may lose all its text. An image that text follows is noised at most to the noise limit (Transfusion §4.3.4).
    /// </summary>
    public static ArrangedDocument Arrange(Document document, DiffusionConfig config, Random random)
    {
        IReadOnlyList<DocumentPart> parts = document.Parts;
        if (parts is [TextPart, ImagePart] or [ImagePart, TextPart])
        {
            DocumentPart text = parts.OfType<TextPart>().Single(), image = parts.OfType<ImagePart>().Single();
            if (random.NextDouble() < config.ImageFirstShare)
                parts = [image, text];
            else if (random.NextDouble() < config.ConditionDropout)
                return new ArrangedDocument([image], Limits([image], config), HasLanguageLoss: false);
            else
                parts = [text, image];
        }
        else if (parts is [_, _, .., ImagePart] && random.NextDouble() < config.ConditionDropout)
            return new ArrangedDocument([.. parts.OfType<ImagePart>()], Limits(parts, config), HasLanguageLoss: false);
        return new ArrangedDocument(parts, Limits(parts, config), PromptWeight: config.CaptionFirstLanguageWeight);
    }

    /// <summary>The document as it stands, for validation and scoring.</summary>
    public static ArrangedDocument AsIs(Document document, DiffusionConfig config) => new(document.Parts, Limits(document.Parts, config));

    private static int[] Limits(IReadOnlyList<DocumentPart> parts, DiffusionConfig config)
    {
        int lastText = parts.ToList().FindLastIndex(part => part is TextPart);
        return [.. parts.Select((part, at) => (part, at)).Where(x => x.part is ImagePart)
            .Select(x => x.at < lastText ? Math.Min(config.ImageFirstMaxTimestep + 1, config.NumberOfTrainTimesteps) : config.NumberOfTrainTimesteps)];
    }
}
