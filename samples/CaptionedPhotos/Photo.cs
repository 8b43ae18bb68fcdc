// A row of a folder of captioned pictures.
namespace CaptionedPhotos;

/// <summary>A picture file and its caption, as LoadCaptionedImages reads them.</summary>
public sealed class Photo
{
    public string ImagePath { get; set; } = "";

    public string Caption { get; set; } = "";
}
