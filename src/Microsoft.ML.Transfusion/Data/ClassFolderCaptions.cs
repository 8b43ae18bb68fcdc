// frog/1.jpg or train/frog/1.jpg: the folder of a picture names its class, and a template makes a caption of it.
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Data;

internal static partial class ClassFolderCaptions
{
    public const string DefaultTemplate = "a photo of a {class}";
    private const string Placeholder = "{class}";

    /// <exception cref="ArgumentException">The template has no place for the class.</exception>
    public static void CheckTemplate(string template)
    {
        ArgumentNullException.ThrowIfNull(template);
        if (!template.Contains(Placeholder, StringComparison.Ordinal))
            throw new ArgumentException($"The caption template '{template}' has no {Placeholder} for the name of the class.", nameof(template));
    }

    /// <exception cref="FormatException">The pictures lie at different depths, so that their folders cannot all be classes.</exception>
    public static IEnumerable<CaptionedImage> Read(string folder, IReadOnlyList<string> pictures, string template)
    {
        int depth = Depth(folder, pictures[0]);
        foreach (string picture in pictures)
        {
            if (Depth(folder, picture) != depth || depth > 2)
                throw new FormatException($"{picture} does not fit into class folders. They are {folder}/CLASS/PICTURE or "
                    + $"{folder}/SPLIT/CLASS/PICTURE, the same for every picture.");
        }
        return pictures.Select(picture => new CaptionedImage(picture, Caption(template, Path.GetFileName(Path.GetDirectoryName(picture)!))));
    }

    /// <summary>How many folders lie between the folder and the picture.</summary>
    public static int Depth(string folder, string picture) =>
        Path.GetRelativePath(folder, picture).Count(letter => letter == Path.DirectorySeparatorChar);

    /// <summary>Underscores in the class are spaces, and an "a" right before it becomes "an" where it starts with a vowel.</summary>
    internal static string Caption(string template, string className)
    {
        string words = className.Replace('_', ' ');
        bool vowel = words.Length > 0 && "aeiou".Contains(char.ToLowerInvariant(words[0]));
        string sentence = vowel ? ArticleBeforeClass().Replace(template, "$1n {class}") : template;
        return sentence.Replace(Placeholder, words, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"\b([aA]) \{class\}")]
    private static partial Regex ArticleBeforeClass();
}
